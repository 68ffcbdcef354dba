"""Fresh crossover of two EMAs."""
