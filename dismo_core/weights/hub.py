"""Files from the Hugging Face hub: whole and checked, or not there; a download that was cut off is resumed.

The client library's own download starts again after each interruption, and has had no resume across runs since its
version 1.0. So the partial file is kept here, and the library's transfer resumes from it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DisMoError
from . import registry
from .manifest import WEIGHTS, HubFile, HubFolder, HubModel, default_folder, readable
from .released import check_released
from .shards import PICKLED

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
RESERVE = 64 << 20  # bytes left free on a disk
LOCK_WAIT = 0.1  # seconds


def require(
    name: str,
    folders: Iterable[str | os.PathLike[str]] | None = None,
    *,
    download: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The file of released weights, checked against the manifest; fetched where that is allowed.

    Args:
        name: of `registry.RELEASED`.
        folders: searched in turn, after them the hub library's own cache; a download goes into the first.
            None = the default folder.
        download: fetch what is missing; otherwise the network is never touched.
        progress: called with (bytes done, bytes in all); may raise to cancel, what has arrived is kept.

    Raises:
        DisMoError: an unknown name, a missing file that may not be fetched, a file with the wrong content, or a
            download that failed.
    """
    if name not in registry.RELEASED:
        raise DisMoError(f"There are no released weights called {name!r}; there are: {', '.join(registry.RELEASED)}.")
    file, places = registry.RELEASED[name], _places(folders)
    found = _find(file, places)
    if found is None and not download:
        raise DisMoError(_missing(str(file), file.repo, places[0]), hint="download", name=name)
    path = found or fetch(file, places[0], progress)
    check_released(path)
    return path


def require_base(
    model: HubModel,
    folders: Iterable[str | os.PathLike[str]] | None = None,
    *,
    without: Collection[str] = (),
    download: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder of a base model, complete by its index files; fetched where that is allowed.

    Args:
        folders: searched for a folder with the model's name, after them the hub library's own cache; a download goes
            into the first. None = the default folder.
        without: parts ("text_encoder", "vae") whose weights come from elsewhere: neither missed nor fetched.
        model: see `require`.
        download: see `require`.
        progress: see `require`.

    Raises:
        DisMoError: as `require`.
    """
    from .base_folder import check_base

    places = _places(folders)
    cached = [_cached(repo, "model_index.json") for repo in (model.repo, *model.formerly)]
    problems = []
    for folder in [place / model.name for place in places] + [index.parent for index in cached if index]:
        if folder.is_dir():
            try:
                check_base(folder, model.parts, without)
                return folder
            except DisMoError as problem:
                problems.append(str(problem))
    if not download:
        known = model in registry.BASES.values()  # of others the command line does not know the names
        message = _missing(str(model), model.repo, places[0], problems)
        raise DisMoError(message, hint="download" if known else "other base", name=model.name, repo=model.repo)
    return fetch_base(model, places[0] / model.name, progress, without)


def fetch_base(
    model: HubModel,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    without: Collection[str] = (),
) -> Path:
    """A base model of the hub, of one commit, in `folder`; what is there and right is not fetched again.

    Args:
        without: see `require_base`.

    Raises:
        DisMoError: as `fetch`.
    """
    from .base_folder import check_base

    fetch_folder(model, folder, progress, without)
    check_base(Path(folder), model.parts, without)
    return Path(folder)


def fetch_folder(
    model: HubFolder,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    without: Collection[str] = (),
) -> list[Path]:
    """The files of a repository that match the patterns, of one commit, below `folder`; see `fetch_base`.

    Raises:
        DisMoError: as `fetch`.
    """
    folder = Path(folder)
    # The file that makes a folder a model comes last.
    files = [file for file in listing(model) if model.needs(file.path, without)]
    files.sort(key=lambda file: file.path == "model_index.json")
    _require_space(folder, sum(_remaining(file, folder) for file in files))
    before, total, paths = 0, sum(file.size for file in files), []
    for file in files:
        paths.append(fetch(file, folder, None if progress is None else _shifted(progress, before, total)))
        before += file.size
    return paths


def listing(model: HubFolder) -> list[HubFile]:
    """The files of a model as the hub reports them now, of one commit; no `.bin` that is there as safetensors, too.

    Raises:
        DisMoError: the hub does not answer or refuses, or has no such files.
    """
    from huggingface_hub import HfApi

    with _explained(model.repo, "its list of files"):
        info = HfApi().model_info(model.repo, files_metadata=True)
    found = [
        HubFile(
            repo=model.repo,
            path=sibling.rfilename,
            size=sibling.size or 0,
            etag=(sibling.lfs.sha256 if sibling.lfs else sibling.blob_id) or "",
            licence=model.licence,
            revision=info.sha or "main",
        )
        for sibling in info.siblings or []
        if model.needs(sibling.rfilename)
    ]
    paths = {file.path for file in found}
    found = [file for file in found if not (file.path.endswith(".bin") and _safetensors_twin(file.path) in paths)]
    if isinstance(model, HubModel) and "model_index.json" not in paths:
        raise DisMoError(f"{model.repo} on the hub holds no model_index.json: it is no diffusers model.")
    if not found:
        raise DisMoError(
            f"{model.repo} on the hub holds none of {', '.join(model.patterns)}. It was moved: update this software."
        )
    return found


def _safetensors_twin(path: str) -> str:
    place = PurePosixPath(path)
    newer = {older: stem for stem, older in PICKLED.items()}
    return str(place.with_name(newer.get(place.stem, place.stem) + WEIGHTS))


def fetch(file: HubFile, folder: str | os.PathLike[str], progress: Progress | None = None) -> Path:
    """A file of the hub below `folder`; nothing is fetched where it lies there already.

    Until size and checksum are right, it lies under a hidden name that ends in `.part`.

    Raises:
        DisMoError: a file of that name with other content, no room, no network, refused, or the wrong bytes.
    """
    target = _target(file, folder)
    if target.exists():
        if problem := file.problem(target):
            raise DisMoError(
                f"{target} exists and is not the file of {file.repo}: {problem}. Remove it or give it another name, then "
                "fetch again."
            )
        return target
    part = _part(file, target)
    with _explained(file.repo, file.path, part):
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_space(target.parent, _remaining(file, Path(folder)))
        with _locked(part):
            _transfer(file, part, progress or (lambda done, total: None))
            if problem := file.problem(part):
                part.unlink()
                raise DisMoError(
                    f"{file.path} came from {file.repo} with the wrong content: {problem}. It was removed. Try again; if "
                    "it stays so, something between here and the hub alters it."
                )
            os.replace(part, target)
    return target


def _transfer(file: HubFile, part: Path, progress: Progress) -> None:
    """Complete the partial file, if the hub still offers the content that it belongs to."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(file.repo, file.path, revision=file.revision)
    offered = get_hf_file_metadata(url)
    other_content = offered.etag and len(offered.etag) == len(file.etag) and offered.etag != file.etag
    if other_content or offered.size not in (None, file.size):
        raise DisMoError(
            f"The hub offers another {file.path} in {file.repo} ({offered.size} bytes, {offered.etag}) than this version "
            f"knows ({file.size} bytes, {file.etag}). Update this software; nothing was fetched."
        )
    headers = build_hf_headers()
    while True:
        if part.exists() and part.stat().st_size > file.size:
            part.unlink()
        with _Reporting(part, progress, file.size) as out:
            start = out.tell()
            try:
                http_get(url, out, resume_size=start, headers=headers, expected_size=file.size)
                return
            except _transport_errors() as error:  # which of them the library takes up by itself differs by its version
                if _status(error) or getattr(error, "errno", None) or out.tell() <= start:
                    raise
                log.warning("%s: the connection broke at %s; resuming.", file.path, readable(out.tell()))


class _Reporting(io.BufferedWriter):
    """A file that is written on at its end and reports how far it is."""

    def __init__(self, path: Path, progress: Progress, total: int) -> None:
        super().__init__(io.FileIO(path, "a"))
        self._report: Callable[[], None] = lambda: progress(self.tell(), total)

    def write(self, data: Any) -> int:
        count = super().write(data)
        self._report()
        return count


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the library lets through: its transport has been requests, whose errors are OSErrors, httpx and httpx2."""
    from huggingface_hub.errors import HfHubHTTPError

    bases: tuple[Any, ...] = HfHubHTTPError.__bases__
    return (OSError, *bases)


def _status(error: Exception) -> int:
    """Of the answer that an error stands for; 0 = there was none."""
    return getattr(getattr(error, "response", None), "status_code", None) or 0


def _places(folders: Iterable[str | os.PathLike[str]] | None) -> list[Path]:
    return [Path(folder) for folder in folders or [default_folder()]]


def _find(file: HubFile, folders: list[Path]) -> Path | None:
    """A safetensors conversion, else the file itself, else the hub library's copy."""
    names = (str(PurePosixPath(file.path).with_suffix(".safetensors")), file.path)
    for path in (folder / name for folder in folders for name in names):
        if path.is_file():
            return path
    return _cached(file.repo, file.path)


def _cached(repo: str, path: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, path)
    return Path(found) if isinstance(found, str) else None


def _missing(what: str, repo: str, folder: Path, problems: Iterable[str] = ()) -> str:
    known = [f"{what} is not in {folder}.", *problems]
    return f"{' '.join(known)} Put it there yourself from https://huggingface.co/{repo}, or let it be fetched."


def _target(file: HubFile, folder: str | os.PathLike[str]) -> Path:
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts or "\\" in file.path or ":" in file.path:
        raise DisMoError(
            f"The hub lists a file {file.path!r} in {file.repo}, which would lie outside its folder. Refused."
        )
    return Path(folder, *path.parts)


def _part(file: HubFile, target: Path) -> Path:
    """The checksum in the name keeps apart what belongs to different contents."""
    return target.with_name(f".{target.name}.{file.etag[:8]}.part")


def _remaining(file: HubFile, folder: Path) -> int:
    """Bytes that are still to come."""
    target = _target(file, folder)
    part = _part(file, target)
    have = target if target.exists() else part if part.exists() else None
    return max(0, file.size - have.stat().st_size) if have else file.size


def _require_space(folder: Path, needed: int) -> None:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed and needed + RESERVE > free:
        raise DisMoError(
            f"{folder} has {readable(free)} free, and {readable(needed)} are needed. Make room, or choose a folder on "
            "another disk."
        )


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Nobody else writes the partial file meanwhile."""
    from filelock import Timeout
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    lock = part.with_suffix(".lock")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(lock, timeout=LOCK_WAIT))
        except Timeout as error:
            raise DisMoError(f"Another process is fetching {part}. Wait until it has finished.") from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # on Windows the lock removes it when it is released
                lock.unlink()


@contextlib.contextmanager
def _explained(repo: str, what: str, part: Path | None = None) -> Iterator[None]:
    """Errors of the hub, the network and the disk, in words."""
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise DisMoError(
            f"Offline mode is on (HF_HUB_OFFLINE), so {what} cannot be fetched from {repo}. Unset it, or copy the files "
            "by hand."
        ) from error
    except _transport_errors() as error:
        hub, folder = constants.ENDPOINT, part.parent if part else "the folder"
        kept = " What has arrived is kept; run it again to resume from there." if part and part.exists() else ""
        status = _status(error)
        if status in (401, 403):
            text = (
                f"The hub refuses {what} of {repo} (HTTP {status}). Log in (`hf auth login`) or set HF_TOKEN, and see "
                f"whether {hub}/{repo} asks for consent."
            )
        elif status == 404:
            text = (
                f"{hub} has no {what} in {repo} (HTTP 404). Check HF_ENDPOINT; or it was moved: update this software."
            )
        elif status:
            text = f"The hub answered HTTP {status} to {what} of {repo}. Try again later."
        elif isinstance(error, OSError) and error.errno is not None:
            text = f"Cannot write {what} ({error.strerror}). Check that {folder} is writable and has free space."
        else:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            text = (
                f"Fetching {what} of {repo} from {hub} failed ({reason}). Check the network, the proxy and HF_ENDPOINT."
            )
        raise DisMoError(text + kept) from error
