"""The loops: arrays and integers in, arrays and integers out.

Rules of this folder, kept by ``tests/test_structure.py``:

* A kernel knows nothing of files, names or error texts; it returns a status integer.
* A kernel file stands alone: it imports numba, llvmlite and numpy, nothing else. Numba's cache on disk
  is keyed by the one file that defines a function, so code or constants from another file
  could be served stale after an upgrade. (llvmlite is for instructions that Numba does not know;
  each has a Python function beside it, which is what runs where nothing is compiled.)
* Two files are shared all the same: ``bits.py`` and ``eight_words.py``. Who imports one of them names
  their digest, and so changes when they do; with an old one the import fails.
* Widen at the load (``np.int64(words[i])``), mask at the store: compiled code and plain
  Python then compute the same numbers.
* Kernels are ``nogil`` and compiled lazily; none is ``parallel``.
"""
