"""How hypothesis searches: an example may take its time, for a busy machine is no defect."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("initkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("initkit")
