"""Networks that are not invertible: convolutions, conditioners, gated blocks, encoders and decoders."""
