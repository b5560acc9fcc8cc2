package tree

import "bytes"

// Position returns the line and column, from 1, of a byte of a text.
func Position(data []byte, offset int) (line, column int) {
	offset = max(0, min(offset, len(data)))
	line = 1 + bytes.Count(data[:offset], []byte("\n"))
	column = offset - bytes.LastIndexByte(data[:offset], '\n')
	return line, column
}

// Offset returns where a line, from 1, begins: the length of the text for one
// behind its end.
func Offset(data []byte, line int) int {
	at := 0
	for range line - 1 {
		next := bytes.IndexByte(data[at:], '\n')
		if next < 0 {
			return len(data)
		}
		at += next + 1
	}
	return at
}
