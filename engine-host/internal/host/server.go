// Package host is the process around the sessions: the socket, the gRPC service, and the ways to end.
package host

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/blazz/blazz/engine-host/internal/deadman"
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/events"
	"github.com/blazz/blazz/engine-host/internal/session"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// server implements the contract by handing every call to the session that it names.
type server struct {
	pb.UnimplementedEngineServer
	manager   *session.Manager
	hub       *events.Hub
	deadman   *deadman.Switch
	networkID string
	version   string
	library   string
	runID     string
}

func (s *server) Hello(context.Context, *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{
		Pid: int32(os.Getpid()), HostVersion: s.version, WhatsmeowVersion: s.library, NetworkId: s.networkID,
		RunId: s.runID, WhatsappVersion: store.GetWAVersion().String(),
	}, nil
}

func (s *server) Heartbeat(_ context.Context, q *pb.HeartbeatRequest) (*pb.HeartbeatReply, error) {
	if err := s.deadman.Move(q.DeadlineBoottimeNs); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "invalid: %v", err)
	}
	return &pb.HeartbeatReply{NowBoottimeNs: s.deadman.Now()}, nil
}

func (s *server) StartSession(ctx context.Context, q *pb.StartSessionRequest) (*pb.StartSessionReply, error) {
	started, err := s.manager.Start(ctx, q)
	if err != nil {
		return nil, err
	}
	linked, jid, lid := started.Identity()
	return &pb.StartSessionReply{Linked: linked, Jid: jid, Lid: lid}, nil
}

func (s *server) StopSession(_ context.Context, q *pb.StopSessionRequest) (*pb.StopSessionReply, error) {
	return &pb.StopSessionReply{}, s.manager.Stop(q.SessionId, q.Epoch)
}

func (s *server) LogOut(ctx context.Context, q *pb.LogOutRequest) (*pb.LogOutReply, error) {
	return &pb.LogOutReply{}, s.manager.LogOut(ctx, q.SessionId, q.Epoch)
}

func (s *server) PairCode(ctx context.Context, q *pb.PairCodeRequest) (*pb.PairCodeReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	code, err := target.PairCode(ctx, q.Phone)
	return &pb.PairCodeReply{Code: code}, err
}

func (s *server) Send(ctx context.Context, q *pb.SendRequest) (*pb.SendReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.Send(ctx, q)
}

func (s *server) MarkRead(ctx context.Context, q *pb.MarkReadRequest) (*pb.MarkReadReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.MarkReadReply{}, target.MarkRead(ctx, q)
}

func (s *server) SendChatPresence(ctx context.Context, q *pb.SendChatPresenceRequest) (*pb.SendChatPresenceReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.SendChatPresenceReply{}, target.SendChatPresence(ctx, q)
}

func (s *server) SendPresence(ctx context.Context, q *pb.SendPresenceRequest) (*pb.SendPresenceReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.SendPresenceReply{}, target.SendPresence(ctx, q.Available)
}

func (s *server) SubscribePresence(ctx context.Context, q *pb.SubscribePresenceRequest) (*pb.SubscribePresenceReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return &pb.SubscribePresenceReply{}, target.SubscribePresence(ctx, q.Jid)
}

func (s *server) Upload(ctx context.Context, q *pb.UploadRequest) (*pb.UploadReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.Upload(ctx, q)
}

func (s *server) Download(ctx context.Context, q *pb.DownloadRequest) (*pb.DownloadReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	return target.Download(ctx, q)
}

func (s *server) IsOnWhatsApp(ctx context.Context, q *pb.IsOnWhatsAppRequest) (*pb.IsOnWhatsAppReply, error) {
	target, err := s.manager.Get(q.SessionId, q.Epoch)
	if err != nil {
		return nil, err
	}
	results, err := target.IsOnWhatsApp(ctx, q.Phones)
	return &pb.IsOnWhatsAppReply{Results: results}, err
}

func (s *server) Stats(_ context.Context, q *pb.StatsRequest) (*pb.StatsReply, error) {
	if q.CollectGarbage {
		debug.FreeOSMemory()
	}
	sessions, connected := s.manager.Count()
	pending, stored, refused := s.hub.Counts()
	heap := heapBytes()
	return &pb.StatsReply{
		Sessions: int32(sessions), Connected: int32(connected), Goroutines: int32(runtime.NumGoroutine()),
		OpenFiles: openFiles(), PendingDeliveries: int64(pending), RssBytes: residentBytes(), HeapBytes: heap,
		CpuSeconds: cpuSeconds(), Panics: s.manager.Counters.Panics.Load(), DeliveriesStored: stored,
		DeliveriesRefused: refused, ConnectionResets: s.manager.Counters.Resets.Load(),
	}, nil
}

// Events serves the one subscriber. Acknowledgements are read beside the batches that are sent.
func (s *server) Events(stream grpc.BidiStreamingServer[pb.EventAck, pb.EventBatch]) error {
	subscription := s.hub.Subscribe()
	defer subscription.Close()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		defer cancel()
		for {
			ack, err := stream.Recv()
			if err != nil {
				return
			}
			s.hub.Answer(ack.Stored, true)
			s.hub.Answer(ack.Refused, false)
		}
	}()
	err := subscription.Run(ctx, stream.Send)
	switch {
	case errors.Is(err, events.ErrReplaced):
		return status.Error(codes.Aborted, "replaced: a newer subscriber came")
	case errors.Is(err, context.Canceled):
		return nil
	}
	return err
}
