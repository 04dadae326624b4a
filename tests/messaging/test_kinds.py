"""WhatsApp's messages in our terms and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging import kinds
from blazz.messaging.kinds import MediaFacts, Outgoing, Quote, Uploaded
from blazz.messaging.kinds.envelope import new_secret

UPLOADED = Uploaded("https://media.example/f", "/v/f?x=1", b"k" * 32, b"e" * 32, b"p" * 32, 1234)


def decoded(message: Message) -> kinds.Decoded:
    found = kinds.decode(message.SerializeToString())
    assert found is not None
    return found


def test_a_plain_text_is_a_conversation_and_carries_a_secret_of_its_own() -> None:
    contents = [new_secret(), new_secret()]
    first, second = (Message.FromString(kinds.encode("text", Outgoing("Hello", content))) for content in contents)
    assert first.conversation == "Hello"
    assert len(first.messageContextInfo.messageSecret) == 32
    assert first.messageContextInfo.messageSecret != second.messageContextInfo.messageSecret
    assert decoded(first).content == contents[0]


def test_a_reply_names_id_author_and_text_of_what_it_answers() -> None:
    quote = Quote("3A01", "100000000000101@lid", "Are you open?")
    message = Message.FromString(kinds.encode("text", Outgoing("Yes", {}, quote)))
    context = message.extendedTextMessage.contextInfo
    assert (context.stanzaID, context.participant) == ("3A01", "100000000000101@lid")
    assert context.quotedMessage.conversation == "Are you open?"
    again = decoded(message)
    assert (again.kind, again.body, again.quoted_id) == ("text", "Yes", "3A01")


@pytest.mark.parametrize("kind", ["image", "video", "audio", "document"])
def test_a_file_comes_out_as_it_was_written(kind: str) -> None:
    facts = MediaFacts(f"{kind}/x", "file.bin", 640, 480, b"jpeg")
    body = None if kind == "audio" else "Look"
    quote = Quote("3A01", "628110000101@s.whatsapp.net", "?")
    content = {"filename": "offer.pdf"} if kind == "document" else {}
    again = decoded(Message.FromString(kinds.encode(kind, Outgoing(body, content, quote, facts, UPLOADED))))
    assert (again.kind, again.body, again.quoted_id) == (kind, body, "3A01")
    assert again.media is not None
    assert again.media.media_class == kind
    assert (again.media.direct_path, again.media.media_key) == (UPLOADED.direct_path, UPLOADED.media_key)
    assert (again.media.file_enc_sha256, again.media.file_sha256) == (UPLOADED.file_enc_sha256, UPLOADED.file_sha256)
    assert (again.media.file_length, again.media.mime_type) == (1234, f"{kind}/x")
    if kind == "document":
        assert again.media.filename == "offer.pdf"


def test_a_file_cannot_be_written_before_its_upload() -> None:
    with pytest.raises(ValueError, match="after its upload"):
        kinds.encode("image", Outgoing("Look", {}))


def test_a_voice_note_is_an_audio_that_says_so() -> None:
    message = Message()
    message.audioMessage.directPath, message.audioMessage.mediaKey = "/v/f", b"k" * 32
    message.audioMessage.PTT, message.audioMessage.seconds = True, 7
    found = decoded(message)
    assert found.kind == "audio"
    assert (found.content["voice"], found.content["seconds"]) == (True, 7)


@pytest.mark.parametrize(
    "wrapper",
    ["ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "documentWithCaptionMessage", "deviceSentMessage"],
)
def test_an_envelope_is_opened(wrapper: str) -> None:
    message = Message()
    getattr(message, wrapper).message.conversation = "inside"
    assert (decoded(message).kind, decoded(message).body) == ("text", "inside")
    deeper = Message()
    deeper.ephemeralMessage.message.CopyFrom(message)
    assert decoded(deeper).body == "inside"


def test_what_only_accompanies_messages_is_none() -> None:
    message = Message()
    message.senderKeyDistributionMessage.groupID = "1@g.us"
    message.messageContextInfo.messageSecret = b"s" * 32
    assert kinds.decode(message.SerializeToString()) is None
    assert kinds.decode(b"") is None


def test_a_removed_message_is_not_overlooked() -> None:
    message = Message()
    message.protocolMessage.type = message.protocolMessage.REVOKE
    assert decoded(message).kind == kinds.UNSUPPORTED


def test_a_picture_that_names_no_file_is_still_a_picture() -> None:
    message = Message()
    message.imageMessage.caption = "lost"
    found = decoded(message)
    assert (found.kind, found.body, found.media) == ("image", "lost", None)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused_as_damaged(raw: bytes) -> None:
    try:
        found = kinds.decode(raw)
    except ValueError:
        return
    assert found is None or found.kind in {*kinds.BY_NAME, kinds.UNSUPPORTED}
