package secret

// Mask appends the beginning that tells the issuer, "ghp_****", and nothing of
// what is secret.
func (d *Detector) Mask(dst []byte, kind string, found []byte) []byte {
	switch kind {
	case KindPassword, KindKeyword, KindConnection, KindBearer, KindPrivateKey, KindJWT, KindAzure:
		return append(dst, "****"...)
	}
	if len(found) > 1 && found[0] < 0x80 {
		for _, f := range buckets[found[0]].forms {
			if f.kind == kind && hasPrefix(found, f.prefix) {
				return append(append(dst, f.prefix...), "****"...)
			}
		}
	}
	return append(dst, "****"...)
}
