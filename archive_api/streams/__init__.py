"""Streams of sealed records: captures go in, a sequencer gives them places in logs, heads go to the chain."""
