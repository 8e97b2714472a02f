"""The campaign file: its table, schedule, budget, custom values, and which column fills which slot of the template."""
