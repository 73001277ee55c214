// Verifies an ES256 token by webcrypto and answers with the partner's user id of its person.
const decode = (part) => Buffer.from(part, 'base64url');

async function verify(r) {
    const parts = (r.headersIn.authorization || '').slice(7).split('.');
    if (parts.length !== 3) return r.return(401);
    const header = JSON.parse(decode(parts[0]));
    const claims = JSON.parse(decode(parts[1]));
    const now = Date.now() / 1000;
    if (header.alg !== 'ES256' || claims.iss !== keys.issuer || claims.aud !== keys.audience || claims.exp < now) {
        return r.return(401);
    }
    const key = await crypto.subtle.importKey('spki', decode(keys.spki), { name: 'ECDSA', namedCurve: 'P-256' },
        false, ['verify']);
    const good = await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, decode(parts[2]),
        Buffer.from(parts[0] + '.' + parts[1]));
    const user = users[claims.personal_phone_id];
    if (!good || !user) return r.return(401);
    r.headersOut['x-user'] = user;
    return r.return(200, '');
}

export default { verify };
