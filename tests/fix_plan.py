"""Plans that several tests read."""

from __future__ import annotations

# as the design has it
EXAMPLE = """\
retry: {timeout: 10m}                  # defaults for every step
steps:
- name: deps
  wait:
    targets:
    - postgres://db/shop
    - http: {url: https://config/ready, status: "200,204"}
    - file: {path: /vault/token, not-empty: true}
  retry: {timeout: 5m, max-interval: 250ms}
- migrate: /migrations
- seed: {paths: [/seed/common, /seed/prod], mode: upsert, url-env: DATABASE_URL}
- {name: content, needs: [], git: {repository: "https://git/site", dest: /content, ref: v1.10}}
- {needs: [content], perms: {paths: [/content], rules: [{path: "**", file-mode: 0640}]}}
"""
