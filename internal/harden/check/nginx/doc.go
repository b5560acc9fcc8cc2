// Package nginx judges configurations of nginx that stand before a server:
// TLS, what is told to the server behind, limits, and what is given away.
package nginx
