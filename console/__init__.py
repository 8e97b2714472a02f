"""The console: pages on which people see and control campaigns, ``python -m console``.

Requests of browsers come in, and HTML goes out: ``application`` has the routes, ``access`` checks login, role and CSRF
token before each page (``pages/``), and ``rendering`` fills the templates of ``html/`` with charts (``charts/``). The
figures are those of the ledger's ``Queries`` and ``Statistics``, which the command line prints too. Nothing else
imports the console. Terms are explained in docs/glossary.md.
"""
