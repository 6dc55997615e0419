"""What a client needs to know of its service is found without a look at every other service."""

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader

from chalicelib.core.service_models import ServiceModels


class Looks(JSONFileLoader):
    """How often a file was looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def exists(self, file_path: str) -> bool:
        self.number += 1
        return super().exists(file_path)


def test_a_model_is_botocores_and_only_its_own_folder_is_looked_into() -> None:
    looks = Looks()
    ours = ServiceModels(file_loader=looks)
    assert ours.load_service_model("dynamodb", "service-2") == Loader().load_service_model(
        "dynamodb", "service-2"
    )
    assert looks.number < 10


def test_what_is_no_service_is_told() -> None:
    with pytest.raises(UnknownServiceError):
        ServiceModels().load_service_model("dynamo", "service-2")
    with pytest.raises(DataNotFoundError):
        ServiceModels().load_service_model("dynamodb", "service-9")
