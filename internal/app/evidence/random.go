package evidence

import "crypto/rand"

// random tells archives of one second apart.
func random() []byte {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return b
}
