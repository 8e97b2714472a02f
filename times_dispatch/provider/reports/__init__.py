"""Parses the delivery reports that providers post, and explains their failure codes.

``reports.parse`` takes the body of a POST and returns events and unusable rows; the callback receiver and the
reconciler call it. ``codes.describe`` explains a failure code to people.
Terms are explained in docs/glossary.md.
"""
