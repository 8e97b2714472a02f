"""Requests out of pushes: payload templates compiled into bytes."""
