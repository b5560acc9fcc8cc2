package jsonrpc

// rule is one that the text of a message can break.
type rule uint8

const (
	ruleUnexpectedEnd rule = iota
	ruleInvalidCharacter
	ruleInvalidLiteral
	ruleNestingTooDeep
	ruleTooManyArrayElements
	ruleMissingCommaOrBracket
	ruleTooManyMembers
	ruleMissingCommaOrBrace
	ruleMissingMemberName
	ruleNULInAMemberName
	ruleDuplicateMemberName
	ruleMissingColon
	ruleOtherSpellingOfAProtocolMember
	ruleUnknownMemberOfAMessage
	ruleEscapedSpellingOfAProtocolMember
	ruleStringTooLong
	ruleControlCharacterInAString
	ruleInvalidUTF8
	ruleInvalidEscape
	ruleLoneSurrogate
	ruleInvalidNumber
	ruleNumberTooLong
	ruleNumberOutOfRange
	ruleByteOrderMark
	ruleBytesAfterTheMessage
	ruleMessageIsNoObject
	ruleBatch
)

// ruleText is what the log says of a broken rule.
var ruleText = [...]string{
	ruleUnexpectedEnd:                    "unexpected end",
	ruleInvalidCharacter:                 "invalid character",
	ruleInvalidLiteral:                   "invalid literal",
	ruleNestingTooDeep:                   "nesting too deep",
	ruleTooManyArrayElements:             "too many array elements",
	ruleMissingCommaOrBracket:            "missing comma or bracket",
	ruleTooManyMembers:                   "too many members",
	ruleMissingCommaOrBrace:              "missing comma or brace",
	ruleMissingMemberName:                "missing member name",
	ruleNULInAMemberName:                 "NUL in a member name",
	ruleDuplicateMemberName:              "duplicate member name",
	ruleMissingColon:                     "missing colon",
	ruleOtherSpellingOfAProtocolMember:   "other spelling of a protocol member",
	ruleUnknownMemberOfAMessage:          "unknown member of a message",
	ruleEscapedSpellingOfAProtocolMember: "escaped spelling of a protocol member",
	ruleStringTooLong:                    "string too long",
	ruleControlCharacterInAString:        "control character in a string",
	ruleInvalidUTF8:                      "invalid UTF-8",
	ruleInvalidEscape:                    "invalid escape",
	ruleLoneSurrogate:                    "lone surrogate",
	ruleInvalidNumber:                    "invalid number",
	ruleNumberTooLong:                    "number too long",
	ruleNumberOutOfRange:                 "number out of range",
	ruleByteOrderMark:                    "byte order mark",
	ruleBytesAfterTheMessage:             "bytes after the message",
	ruleMessageIsNoObject:                "message is no object",
	ruleBatch:                            "batch",
}
