// Package html finds markup in text and takes it out: all of it, or all but
// the tags p, br, b, i, em and strong without attributes.
//
// The detector tells markup that acts (scripts, event handlers, javascript:
// addresses, frames, forms) from tags that only show, and both from "<" in
// prose and programs. [AllowList] and [Strip] rewrite a whole text; what they
// return holds no other markup, whatever was put in.
package html
