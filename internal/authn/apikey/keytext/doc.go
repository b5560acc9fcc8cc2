// Package keytext makes and reads the texts of API keys and of claim tokens:
//
//	mcp_<32 hex>.<43 base64url>
//	    └ id     └ secret: 28 random bytes and a CRC-32 (big endian)
//
// It asks nobody and holds no state. A [Key] prints as [redacted] whatever the
// verb; a [Grammar] recognises a real key by its checksum alone.
package keytext
