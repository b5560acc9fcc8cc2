// Package secret finds credentials in text: keys and tokens whose issuers made
// them recognisable, JSON web tokens, private keys, passwords in connection
// strings and headers, and values that stand beside a name such as "password"
// and look like one.
//
// One pass over the text looks only at places where a word begins or where a
// value is assigned. What has a checksum (GitHub, npm) is checked against it;
// placeholders ("xxxx", "<token>", "${VAR}", "EXAMPLE") are no secrets.
package secret
