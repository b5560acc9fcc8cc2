// Package sealed is the form that an ended segment of the audit journal gets so
// that its records can be kept for different times: one file per class of
// retention, compressed, and a manifest that says which record is in which.
//
//	AUDIT/sealed/00000000000000000000-00000000000000151229.json         manifest
//	AUDIT/sealed/access/00000000000000000000-00000000000000151229.log.zst
//	AUDIT/sealed/security/…  AUDIT/sealed/audit/…
//
// A class file is lines of
//
//	<number> <offset> <8 hex digits> <entry>\n
//
// the number of the record, where its line began in the segment, and then that
// line itself, byte for byte. Lines are gathered into frames of about 256 KiB,
// each compressed for itself: a reader can begin at any of them, and damage
// costs one of them. zstd -dc reads the file whole.
//
// [Divide] makes the form and [Open] reads it. The manifest is written last and
// makes the rest valid: without it class files are leftovers of a crash. A
// class file is removed only after the manifest says so, so that a reader can
// tell what was removed on purpose ([MissingError].Removed) from what is lost.
package sealed
