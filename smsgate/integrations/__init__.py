"""smsgate at home in web frameworks: one module for each, and none is imported unless you import it."""
