// Package kms is a fake of AWS KMS, as far as encrypting and decrypting go: it
// keeps to the protocol of the vendor's clients, and is recorded as a fake. Its
// ciphertexts hold in clear what they were made for.
package kms

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Denied is a key that nobody may use.
const Denied = "alias/denied"

type message struct {
	KeyID   string            `json:"KeyId"`
	Plain   []byte            `json:"Plaintext,omitempty"`
	Blob    []byte            `json:"CiphertextBlob,omitempty"`
	Context map[string]string `json:"EncryptionContext,omitempty"`
}

// AWS returns the fake for a region. It knows the access key AKIDEXAMPLE and
// every symmetric key but [Denied].
func AWS(region string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		var in message
		signed := r.Header.Get("Authorization")
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || !strings.Contains(signed, "Credential=AKIDEXAMPLE/") || !strings.Contains(signed, "/"+region+"/kms/") {
			refuse(w, "UnrecognizedClientException")
			return
		}
		if in.KeyID == Denied {
			refuse(w, "AccessDeniedException")
			return
		}
		switch r.Header.Get("X-Amz-Target") {
		case "TrentService.Encrypt":
			blob, err := json.Marshal(in)
			if err != nil {
				refuse(w, "KMSInternalException")
				return
			}
			send(w, message{KeyID: in.KeyID, Blob: blob})
		case "TrentService.Decrypt":
			decrypt(w, in)
		default:
			refuse(w, "UnknownOperationException")
		}
	})
}

func decrypt(w http.ResponseWriter, in message) {
	var was message
	if json.Unmarshal(in.Blob, &was) != nil || len(was.Context) != len(in.Context) {
		refuse(w, "InvalidCiphertextException")
		return
	}
	for name, value := range was.Context {
		if in.Context[name] != value {
			refuse(w, "InvalidCiphertextException")
			return
		}
	}
	if was.KeyID != in.KeyID {
		refuse(w, "IncorrectKeyException")
		return
	}
	send(w, message{KeyID: in.KeyID, Plain: was.Plain})
}

func send(w http.ResponseWriter, m message) {
	_ = json.NewEncoder(w).Encode(m) // who asked is gone, otherwise
}

func refuse(w http.ResponseWriter, kind string) {
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": "canary"})
}
