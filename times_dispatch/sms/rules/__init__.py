"""India's rules (TRAI's TCCCPR and the DLT, docs/domain.md section 5) as pure functions over texts and times.

`categories`, `headers` and `ids` judge what was registered; `links` and `callback_numbers` find in a text what has to
be whitelisted, and compare it with the whitelist; `window` knows when one may send. The registered text itself is
`times_dispatch.sms.templates`. Nothing here reads a file, a clock or a setting.
"""
