package session

import (
	"testing"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waVnameCert"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestPeopleAreAddressedInEitherModeAndBounded(t *testing.T) {
	for text, want := range map[string]string{
		"628110000001:7@s.whatsapp.net": "628110000001@s.whatsapp.net",
		"100000000000101@lid":           "100000000000101@lid",
	} {
		got, err := personJID(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "628110000001", "@lid", "120363000000000001@g.us", "status@broadcast", "1@newsletter"} {
		if _, err := personJID(text); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := people(nil, 2); status.Code(err) != codes.InvalidArgument {
		t.Errorf("nobody: %v", err)
	}
	if _, err := people([]string{"1@lid", "2@lid", "3@lid"}, 2); status.Code(err) != codes.InvalidArgument {
		t.Errorf("too many: %v", err)
	}
}

func TestAVerifiedNameIsReadAndNonsenseIsNone(t *testing.T) {
	details, _ := proto.Marshal(&waVnameCert.VerifiedNameCertificate_Details{VerifiedName: proto.String("Kopi Senja")})
	certificate, _ := proto.Marshal(&waVnameCert.VerifiedNameCertificate{Details: details})
	if got := verifiedName(waBinary.Node{Content: certificate}); got != "Kopi Senja" {
		t.Errorf("name %q", got)
	}
	for _, content := range []any{nil, []byte("\xff\xff\xff"), "text"} {
		if got := verifiedName(waBinary.Node{Content: content}); got != "" {
			t.Errorf("%v: %q", content, got)
		}
	}
}

func TestPrivacyValuesAreThoseOfWhatsApp(t *testing.T) {
	session := &Session{}
	for name, value := range map[string]string{"last": "nobody", "online": "contacts", "readreceipts": "contacts", "nonsense": "all", "": ""} {
		if _, err := session.SetPrivacy(t.Context(), name, value); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestABlockListThatChangedAsAWholeNamesNobody(t *testing.T) {
	person := types.NewJID("100000000000101", types.HiddenUserServer)
	changes := []waevents.BlocklistChange{
		{JID: person, Action: waevents.BlocklistChangeActionBlock},
		{JID: types.NewJID("628110000001", types.DefaultUserServer), Action: waevents.BlocklistChangeActionUnblock},
	}
	got := blockList(&waevents.Blocklist{Changes: changes})
	want := &pb.BlockListChange{Blocked: []string{"100000000000101@lid"}, Unblocked: []string{"628110000001@s.whatsapp.net"}}
	if !proto.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if whole := blockList(&waevents.Blocklist{Action: "modify", Changes: changes}); !proto.Equal(whole, &pb.BlockListChange{}) {
		t.Errorf("got %v", whole)
	}
}
