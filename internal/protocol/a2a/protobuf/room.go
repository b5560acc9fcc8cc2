package protobuf

// Room is where messages are rewritten. Of those that become many times their
// size in memory only so many are in it at a time; the others wait, for as long
// as it takes to rewrite a few. The zero value has no end. It is safe for
// concurrent use.
type Room struct{ places chan struct{} }

// NewRoom returns a room for n large messages at a time.
func NewRoom(n int) *Room { return &Room{places: make(chan struct{}, n)} }

// small is the size, in bytes, of messages that are rewritten faster than another
// can come in.
const small = 16 << 10

// enter waits for a place for a message of n bytes, and returns what leaves it.
func (r *Room) enter(n int) func() {
	if r == nil || r.places == nil || n <= small {
		return func() {}
	}
	r.places <- struct{}{}
	return func() { <-r.places }
}
