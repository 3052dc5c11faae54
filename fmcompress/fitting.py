"""Which layers an option fits, of those options that apply to some layers only."""

from __future__ import annotations

from collections.abc import Iterable

from fmcompress.errors import FmcError, ParameterError

OTHER_LAYERS = "pick other layers with --layers"


class Fitting:
    """Note which options fit which layers.

    Parameters
    ----------
    options : iterable of str
        Those that the user gave, of those that apply to some layers only.
    named : bool
        Whether the user picked layers by name: an option must fit each of these.

    Attributes
    ----------
    layer : str
        Name of the layer in hand.
    """

    def __init__(self, options: Iterable[str], named: bool) -> None:
        self.layer = ""
        self._named = named
        self._fits = dict.fromkeys(options, False)
        self._misfits: dict[str, tuple[bool, FmcError]] = {}

    def note(
        self, option: str, fits: bool, cause: str = "", hint: str = "", *, coded: bool = True
    ) -> None:
        """Note whether an option fits the layer in hand.

        Parameters
        ----------
        cause, hint : str
            Why not, and what to do.
        coded : bool
            Whether the layer is coded at all; of others a user cares less.

        Raises
        ------
        ParameterError
            If it does not, and the layer was picked by name.
        """
        if option not in self._fits:
            return
        if fits:
            self._fits[option] = True
            return
        error = ParameterError(cause, layer=self.layer, hint=hint)
        if self._named:
            raise error
        if option not in self._misfits or (coded and not self._misfits[option][0]):
            self._misfits[option] = (coded, error)

    def carried(self, reason: str) -> None:
        """Note that the layer in hand is stored unchanged, so that no option fits it."""
        for option in self._fits:
            self.note(option, False, f"stored unchanged: {reason}", OTHER_LAYERS, coded=False)

    def check(self) -> None:
        """Refuse an option that fits no layer.

        Raises
        ------
        ParameterError
            If there is one.
        """
        for option, fits in self._fits.items():
            if fits:
                continue
            _, error = self._misfits.get(option, (False, None))
            flag = f"--{option.replace('_', '-')}"
            raise error or ParameterError(
                f"no layer fits {flag}", hint=f"leave {flag} out, or pick other layers"
            )
