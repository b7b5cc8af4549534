"""Files of a tenant lie in a folder of its own under MEDIA_ROOT."""

from __future__ import annotations

from pathlib import Path

from django.core.files.storage import FileSystemStorage

from tenants.db import scope


class TenantStorage(FileSystemStorage):
    # Django caches these two on the instance, and the instance is shared by tenants.
    @property
    def base_location(self) -> str:
        return str(Path(super().base_location) / scope().schema_name)

    @property
    def location(self) -> str:
        return str(Path(self.base_location).resolve())
