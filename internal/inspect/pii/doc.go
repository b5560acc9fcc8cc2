// Package pii finds personal data in text: mail addresses, payment cards,
// bank accounts, phone numbers, IP addresses, dates of birth, passports and
// the identity numbers of several countries. Whatever has a check digit is
// checked; what has none needs a word beside it that says what it is.
//
// A pass over the text looks at "@", at colons between hexadecimal digits and
// at groups of digits; each group is looked at once.
package pii
