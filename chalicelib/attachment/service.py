"""What can be done with attachments: ask to upload, check, use, read (clauses 3.1.2, 3.5.2, 1.3.4)."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.access.model import Action, Resource, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.attachment.model import (
    MEGABYTE,
    UPLOAD_LIFE,
    Attachment,
    AttachmentRules,
    MediaType,
    Refusal,
    Upload,
    UploadState,
)
from chalicelib.attachment.store import (
    AttachmentRecord,
    FileStore,
    attachment_key,
    put_checked_upload,
    put_new_upload,
    read_upload,
)
from chalicelib.core.clock import Now
from chalicelib.core.errors import FieldError, InvalidInput, NotFound, Stale
from chalicelib.core.ids import is_id, new_id
from chalicelib.core.table import Found, Key, Table
from chalicelib.people.model import Person


@dataclass(frozen=True, kw_only=True)
class UploadDesk:
    """What a liaison does with files. `queue` sends a message to the check's queue."""

    table: Table
    files: FileStore
    access: AccessControl
    rules: AttachmentRules
    queue: Callable[[str], object]
    now: Now

    def begin(self, person: Person, form: Mapping[str, Any]) -> tuple[Upload, dict[str, Any]]:
        """An upload that may now be made, with the address and form fields for it; `form` has met its schema.

        Raises InvalidInput with every wrong field, and NotPermitted unless the person is a liaison of the department.
        """
        faults = tuple(self.rules.faults(form))
        if faults:
            raise InvalidInput(faults)
        upload = Upload(
            file=Attachment(
                id=new_id("a"),
                name=form["name"],
                media_type=MediaType(form["media_type"]),
                size=int(form["size"]),
                sha256=form["sha256"],
            ),
            department=form["department"],
            uploader=person.id,
            state=UploadState.AWAITING_UPLOAD,
            expires_at=self.now() + self.rules.keep,
        )
        self.access.grant(subject_of(person, self.now()), Action.ATTACH, _resource(upload))
        self.table.put(put_new_upload(upload))
        return upload, self.files.upload_form(upload.file, UPLOAD_LIFE)

    def key(self, attachment: str) -> Key[AttachmentRecord]:
        """Where an upload is: so that it can be read together with who asks for it."""
        return attachment_key(attachment)

    def own(self, person: Person, record: AttachmentRecord | None) -> Upload:
        """An upload as its uploader may see it. Raises NotFound for everybody else, and when it has expired."""
        upload = None if record is None else read_upload(record)
        if upload is None or upload.expires_at <= self.now():
            raise NotFound
        if not self.access.allows(subject_of(person, self.now()), Action.ATTACH, _resource(upload)):
            raise NotFound
        return upload

    def own_files(self, person: Person, ids: Iterable[str]) -> dict[str, Attachment]:
        """The files of those ids that are the person's own uploads, by id, whatever their state: with one call.

        It is for showing a form again; whether they may be used is for `Shelf.select` to say.
        """
        keys = [attachment_key(each) for each in ids if is_id("a", each)]
        found = self.table.batch(*keys)
        uploads = [read_upload(record) for record in map(found.get, keys) if record is not None]
        return {upload.file.id: upload.file for upload in uploads if upload.uploader == person.id}

    def check_again(self, upload: Upload) -> None:
        """Have a file checked whose own event was lost; where nothing was uploaded, or all is said, nothing happens."""
        if upload.state is UploadState.AWAITING_UPLOAD:
            self.queue(json.dumps({"attachment": upload.file.id}))


@dataclass(frozen=True, kw_only=True)
class Checking:
    """The check of what was uploaded. `inspect` is `chalicelib/attachment/inspection.py`'s: only this job loads it."""

    inspect: Callable[[bytes, Attachment, int], bytes | Refusal]
    table: Table
    files: FileStore
    rules: AttachmentRules
    now: Now

    def check(self, attachment: str) -> None:
        """Check an upload and say what came of it; a repeat changes nothing.

        What has expired, was said already, or has not been uploaded is left alone.
        """
        record = self.table.get(attachment_key(attachment))
        upload = None if record is None else read_upload(record)
        if (
            upload is None
            or upload.state is not UploadState.AWAITING_UPLOAD
            or upload.expires_at <= self.now()
        ):
            return
        raw = self.files.uploaded(attachment, upload.file.size)
        if raw is None:
            return
        checked = self._checked(upload, raw)
        try:
            self.table.put(put_checked_upload(checked))
        except Stale:
            return  # the same message came twice at once; what the other said stands

    def _checked(self, upload: Upload, raw: bytes) -> Upload:
        outcome = self.inspect(raw, upload.file, self.rules.max_pixels)
        if isinstance(outcome, Refusal):
            return replace(upload, state=UploadState.REFUSED, refusal=outcome)
        digest = hashlib.sha256(outcome).hexdigest()
        file = replace(upload.file, size=len(outcome), sha256=digest)
        self.files.put_checked(file, outcome)
        return replace(upload, file=file, state=UploadState.READY)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The files that a form names, in its order. `fresh` are those that are not kept for its submission yet.

    `found` is what was read together with them, if anything was.
    """

    files: tuple[Attachment, ...] = ()
    fresh: tuple[Attachment, ...] = ()
    errors: tuple[FieldError, ...] = ()
    found: Found | None = None


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The files that submissions use."""

    table: Table
    files: FileStore
    rules: AttachmentRules
    now: Now

    def select(
        self,
        ids: Sequence[str],
        person: Person,
        department: str,
        earlier: Mapping[str, Attachment],
        *also: Key[Any],
    ) -> Selection:
        """The files of these ids, or what is wrong with each that may not be used; and what lies at the other keys.

        `earlier` are those that an earlier revision of the same submission used already: they are kept for it.
        """
        keys = {each: attachment_key(each) for each in ids if each not in earlier}
        found = self.table.batch(*keys.values(), *also)
        records = {each: found.get(key) for each, key in keys.items()}
        uploads = {each: read_upload(record) for each, record in records.items() if record is not None}
        faults = [
            self._fault(f"/attachments/{place}", uploads.get(each), person, department)
            for place, each in enumerate(ids)
            if each not in earlier
        ]
        known = {**earlier, **{each: upload.file for each, upload in uploads.items()}}
        files = tuple(known[each] for each in ids if each in known)
        errors = (*filter(None, faults), *self._limits(ids, files))
        fresh = tuple(file for file in files if file.id in keys)
        return Selection(files=files, fresh=fresh, errors=errors, found=found)

    def keep(self, submission: str, files: Selection) -> tuple[FieldError, ...]:
        """See to it that these files never expire, before anything names them; answers what is gone.

        A repeat changes nothing. Each fresh file costs a call; a form without attachments none.
        """
        gone = {file.id for file in files.fresh if not self.files.keep(submission, file)}
        return tuple(
            FieldError(pointer=f"/attachments/{place}", code="unknown_attachment")
            for place, file in enumerate(files.files)
            if file.id in gone
        )

    def all_there(self, submission: str, files: Sequence[Attachment]) -> bool:
        """Whether each is kept with its very digest: a call for each, without its bytes."""
        return all(self.files.holds(submission, file) for file in files)

    def read(self, submission: str, file: Attachment) -> bytes:
        """A kept file. Raises RuntimeError when it is not the approved one: that must never be papered over."""
        raw = self.files.kept(submission, file)
        if hashlib.sha256(raw).hexdigest() != file.sha256:
            raise RuntimeError(f"{file.id} of {submission} is kept with other bytes than were approved")
        return raw

    def _fault(
        self, pointer: str, upload: Upload | None, person: Person, department: str
    ) -> FieldError | None:
        if upload is None or upload.uploader != person.id or upload.expires_at <= self.now():
            return FieldError(pointer=pointer, code="unknown_attachment")
        if upload.department != department:
            return FieldError(pointer=pointer, code="attachment_of_another_department")
        match upload.state:
            case UploadState.AWAITING_UPLOAD:
                return FieldError(pointer=pointer, code="attachment_not_ready")
            case UploadState.REFUSED:
                return FieldError(
                    pointer=pointer, code="attachment_refused", params={"refusal": upload.refusal}
                )
            case UploadState.READY:
                return None

    def _limits(self, ids: Sequence[str], files: Sequence[Attachment]) -> Iterator[FieldError]:
        if len(ids) > self.rules.max_count:
            limit = self.rules.max_count
            yield FieldError(pointer="/attachments", code="too_many", params={"limit": limit})
        if sum(file.size for file in files) > self.rules.max_total:
            megabytes = self.rules.max_total / MEGABYTE
            yield FieldError(
                pointer="/attachments", code="files_too_large", params={"megabytes": f"{megabytes:g}"}
            )


def _resource(upload: Upload) -> Resource:
    """The upload as policy sees it: its uploader's own. It has no classification before a request uses it."""
    return Resource(department=upload.department, drafter=upload.uploader, classification="internal")
