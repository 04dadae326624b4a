package session

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"github.com/blazz/blazz/engine-host/internal/deadman"
	"github.com/blazz/blazz/engine-host/internal/media"
	"github.com/blazz/blazz/engine-host/internal/store"
	"go.mau.fi/whatsmeow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What whatsmeow says when WhatsApp has no account for a phone number; it has no error value of its own for that.
const noSuchRecipient = "no LID found for "

var serverCode = regexp.MustCompile(`(\d{3})$`)

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, "invalid: "+format, args...)
}

func notRunning(id string) error {
	return status.Errorf(codes.FailedPrecondition, "not_running: session %s", id)
}

func notConnected(why string) error { return status.Error(codes.Unavailable, "not_connected: "+why) }

func notLinked() error {
	return status.Error(codes.FailedPrecondition, "not_linked: the session holds no identity")
}

// storeError translates what opening a store can end with.
func storeError(err error) error {
	switch {
	case errors.Is(err, store.ErrStaleEpoch), errors.Is(err, store.ErrNetworkMismatch), errors.Is(err, store.ErrCorrupt),
		errors.Is(err, store.ErrMissing):
		return status.Error(codes.FailedPrecondition, err.Error()) // each starts with its stable word
	case errors.Is(err, store.ErrPath):
		return invalid("%v", err)
	}
	return status.Errorf(codes.Internal, "store_failure: %v", err)
}

// sendError classifies a failed send. left says whether the stanza was handed to the socket.
func sendError(err error, left bool) error {
	switch {
	case errors.Is(err, whatsmeow.ErrServerReturnedError):
		code := serverCode.FindString(err.Error())
		return status.Errorf(codes.PermissionDenied, "refused: %s by WhatsApp", code)
	case left:
		return status.Errorf(codes.Aborted, "unknown_outcome: %v", err)
	case errors.Is(err, context.Canceled): // never the caller's: a send does not inherit its deadline
		return notConnected("cut before the socket")
	case errors.Is(err, whatsmeow.ErrNotLoggedIn):
		return notLinked()
	case errors.Is(err, whatsmeow.ErrUnknownServer), errors.Is(err, whatsmeow.ErrRecipientADJID),
		errors.Is(err, whatsmeow.ErrBroadcastListUnsupported):
		return invalid("%v", err)
	case store.IsFailure(err):
		return status.Errorf(codes.Unavailable, "store_failure: %v", err)
	case strings.HasPrefix(err.Error(), noSuchRecipient):
		return status.Error(codes.NotFound, "not_on_whatsapp: WhatsApp does not know this recipient")
	}
	return queryError(err)
}

// queryError classifies a failed request that changes nothing or may be repeated.
func queryError(err error) error {
	var iq *whatsmeow.IQError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, whatsmeow.ErrNotLoggedIn):
		return notLinked()
	case errors.Is(err, whatsmeow.ErrNoPushName):
		return status.Error(codes.FailedPrecondition, "no_push_name: WhatsApp has not told the account's name yet")
	case errors.As(err, &iq) && iq.Code != 0:
		return status.Errorf(codes.PermissionDenied, "refused: %d %s", iq.Code, iq.Text)
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "cancelled")
	case errors.Is(err, deadman.ErrClosing):
		return notConnected("the owner's deadline is near")
	}
	return notConnected(err.Error())
}

// mediaError classifies a failed upload or download.
func mediaError(err error) error {
	var http whatsmeow.DownloadHTTPError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, media.ErrPath), errors.Is(err, media.ErrType):
		return invalid("%v", err)
	case errors.Is(err, fs.ErrNotExist):
		return status.Errorf(codes.NotFound, "invalid: %v", err)
	case errors.Is(err, fs.ErrExist):
		return status.Errorf(codes.AlreadyExists, "invalid: %v", err)
	case errors.Is(err, media.ErrTooLong):
		return status.Error(codes.ResourceExhausted, "too_long: the file is longer than allowed")
	case errors.Is(err, whatsmeow.ErrInvalidMediaHMAC), errors.Is(err, whatsmeow.ErrInvalidMediaEncSHA256),
		errors.Is(err, whatsmeow.ErrInvalidMediaSHA256), errors.Is(err, whatsmeow.ErrTooShortFile):
		return status.Errorf(codes.DataLoss, "invalid: %v", err)
	case errors.As(err, &http):
		return status.Errorf(codes.PermissionDenied, "refused: %d by the media host", http.StatusCode)
	}
	return queryError(err)
}
