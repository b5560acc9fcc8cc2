// Package tomlstrict decodes TOML into plain structs and tells the operator
// where each mistake is.
//
// It differs from an ordinary TOML decoder in what it refuses and how:
//
//   - every mistake is reported, not only the first, each with file, line and
//     path: `portcullis.toml:12: route[0].upstrem: unknown key (did you mean
//     "upstream"?)`;
//   - a key that no field has is an error, and so is one that this version
//     only reserves;
//   - ${NAME} and ${NAME:-fallback} are replaced in string values after
//     parsing, never in the text of the file, so a value cannot add keys or
//     end a string; what a variable held is never printed;
//   - byte order marks, invalid UTF-8, duplicate keys and files above
//     [MaxBytes] are errors.
//
// [Parse] reads the text into a [Tree] that knows its lines; [Decoder.Decode]
// fills a struct that already holds the defaults and returns an [Origin], which
// later checks use to find the line of a field. [Fields] is how the package
// reads a struct; the struct tags that it understands are listed there.
package tomlstrict
