package link

import "context"

// Conn is a connection to one running server, over whichever transport. It
// carries whole JSON-RPC messages without line breaks.
type Conn interface {
	// Send delivers one message. It may be called from any goroutine. An error
	// that is not the context's is final: the connection is of no more use.
	Send(ctx context.Context, msg []byte) error
	// Receive returns the next message, in memory of its own. It is called
	// from one goroutine. Its error is final; Close makes it return.
	Receive() ([]byte, error)
	// Close ends the server, gracefully until ctx ends, then by force. It
	// returns when nothing of it is left, and may be called more than once.
	Close(ctx context.Context) error
}

// Opener starts a server. The context bounds the start, not the server's life.
type Opener func(ctx context.Context) (Conn, error)
