"""The hardware, cycle by cycle: encoder and decoder as they are clocked, not only what comes out."""
