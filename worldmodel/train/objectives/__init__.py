"""One objective a file; each knows its batch, its loss, its held-out figures and its pictures."""
