"""Write the software bill of materials of a wheel, as CycloneDX.

    python -m tools.package_sbom dist/cris-0.2.0-py3-none-any.whl dist

It lists the works of others inside the wheel, and the packages that a base install brings, in the versions
of this environment, which are those of constraints.txt.
"""

import email
import hashlib
import sys
import uuid
import zipfile
from datetime import UTC, datetime
from importlib.metadata import Distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cris.files import sha256_of
from tools.requirements import installed

EMBEDDED = {
    "cris/models/cris-photos/model.safetensors": "Apache-2.0 AND MIT AND CC-BY-4.0",
    "cris/models/cris-photos/tokenizer.json": "Apache-2.0",
    "cris/models/cris-scenes/model.safetensors": "Apache-2.0",
    "cris/models/cris-scenes/tokenizer.json": "MIT",
    "cris/model/assets/tokenizer.json": "MIT",
    "cris/demo/photographs": "CC-BY-2.0 AND CC-BY-4.0",
}
"""Works inside the wheel, files or folders → licences, as NOTICE explains them."""


def bill_of_materials(wheel: Path) -> Bom:
    """Return what a wheel holds of others, and what it brings."""
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        headers = email.message_from_bytes(opened.read(metadata))
        stamp = datetime(*opened.getinfo(metadata).date_time, tzinfo=UTC)
        inside = [_embedded(opened, name, licence) for name, licence in EMBEDDED.items()]
    digest = sha256_of(wheel)
    root = Component(
        name="cris",
        type=ComponentType.LIBRARY,
        version=headers["Version"],
        licenses=[LicenseFactory().make_with_expression(headers["License-Expression"])],
        purl=PackageURL("pypi", None, "cris", headers["Version"]),
        bom_ref="cris",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        components=inside,
    )
    required = list(map(Requirement, headers.get_all("Requires-Dist", [])))
    base = [each for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    packages = {name: _package(name, found) for name, found in installed(base).items()}
    bom = Bom(
        components=packages.values(),
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, digest),
        metadata=BomMetaData(
            component=root, timestamp=stamp
        ),  # the commit's, as the same wheel gives the same file
    )
    bom.register_dependency(root, [packages[canonicalize_name(each.name)] for each in base])
    return bom


def write_sbom(wheel: Path, folder: Path) -> Path:
    """Write the bill of materials beside a wheel's name; return its path."""
    path = folder / f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json"
    path.write_text(JsonV1Dot6(bill_of_materials(wheel)).output_as_string(indent=2) + "\n", encoding="utf-8")
    return path


def _embedded(wheel: zipfile.ZipFile, name: str, licence: str) -> Component:
    parts = sorted(each for each in wheel.namelist() if each == name or each.startswith(f"{name}/"))
    digest = hashlib.sha256(b"".join(map(wheel.read, parts))).hexdigest()
    is_model = name.endswith(".safetensors")
    return Component(
        name=name,
        type=ComponentType.MACHINE_LEARNING_MODEL if is_model else ComponentType.DATA,
        licenses=[LicenseFactory().make_with_expression(licence)],
        bom_ref=name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if len(parts) == 1 else (),
    )


def _package(name: str, package: Distribution) -> Component:
    licence = _field(package, "License-Expression") or _licence_in_words(package)
    return Component(
        name=name,
        type=ComponentType.LIBRARY,
        version=package.version,
        licenses=[LicenseFactory().make_from_string(licence)] if licence else (),
        purl=PackageURL("pypi", None, name, package.version),
        bom_ref=name,
    )


def _field(package: Distribution, name: str) -> str:
    return (package.metadata.get_all(name) or [""])[0]


def _licence_in_words(package: Distribution) -> str | None:
    """Return the licence as older metadata has it: a name in the field, or else in the classifiers."""
    told = _field(package, "License").strip()
    if told and "\n" not in told:
        return told
    classifiers = package.metadata.get_all("Classifier", [])
    names = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    return "; ".join(names) or None


def main() -> None:
    """Write a wheel's bill of materials into a folder."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    print(write_sbom(Path(sys.argv[1]), Path(sys.argv[2])))


if __name__ == "__main__":
    main()
