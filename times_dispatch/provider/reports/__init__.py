"""Delivery reports as providers post them, and the meaning of their codes."""
