package dispatch

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"berth/internal/acs"
)

// Real time: agents beat in it (docs/facts/agent-protocol.md A3).
const (
	heartbeat = 30 * time.Second
	silence   = 3 * heartbeat
	maxFrame  = 8 << 20
)

// write sends a message to an agent. One that does not take it within a heartbeat
// loses its connection: it would hold up what is written to others of its tasks,
// and what it never reads.
func write(ctx context.Context, conn *websocket.Conn, kind string, message any) error {
	b, err := acs.Encode(kind, message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, b)
}

// read waits for a whole frame of an agent. One that sends none within three
// heartbeats, each of which it answers or sends figures in between, loses its
// connection: it is half open, or drips.
func read(ctx context.Context, conn *websocket.Conn) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	_, b, err := conn.Read(ctx)
	return b, err
}
