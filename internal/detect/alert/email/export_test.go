package email

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// Compose is what a channel would write.
func Compose(m *alert.Message) []byte {
	c, err := New(Config{Address: "mail:25", From: "a@example.com", To: []string{"b@example.com"}})
	if err != nil {
		panic(err)
	}
	return c.compose(m, time.Now())
}
