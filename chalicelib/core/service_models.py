"""Where botocore's descriptions of services are found, without a look into the folders of all 400."""

from pathlib import Path

from botocore.loaders import Loader


class ServiceModels(Loader):
    """Botocore's own loader, but for what is available: that one seeks a file of every service, at each start."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 — its base names it so
        """Every service's folder; one that has no file of the type is told when it is opened."""
        return [
            folder.name for path in map(Path, self.search_paths) if path.is_dir() for folder in path.iterdir()
        ]
