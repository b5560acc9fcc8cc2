package splunk_test

import (
	"encoding/pem"

	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func trust(ca string) post.TLS { return post.TLS{CA: ca} }
