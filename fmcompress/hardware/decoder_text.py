class DecoderText: pass
