"""What is in a data set and what is wrong with it, from a sample read in a minute."""
