"""What is in a data set, and what is wrong of it."""
