"""Pictures of the console for docs/console.md: ``python -m tests.pictures docs``. They need Debian's Chromium."""
