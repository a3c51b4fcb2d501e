const privateV4 = [/^127\./, /^10\./, /^192\.168\./, /^172\.(1[6-9]|2\d|3[01])\./, /^169\.254\./, /^0\./];
const privateV6 = [/^\[::1\]$/, /^\[f[cd]/, /^\[fe[89ab]/];

/** Whether a URL names a loopback, private or link-local address. Names other than localhost are not resolved. */
export function isLocalUrl(url: string): boolean {
  const { hostname } = new URL(url);
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true;
  return (/^[\d.]+$/.test(hostname) ? privateV4 : privateV6).some((range) => range.test(hostname));
}
