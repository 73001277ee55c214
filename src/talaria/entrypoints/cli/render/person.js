// For nginx in front of several Talarias: the issuer and the person of a bearer token, unverified.
// $talaria_claims is JSON: the path of the person's claim, for each issuer. Without a person: the request's id.

function at(claims, path) {
    const found = path.split(".").reduce(
        (value, name) => (typeof value === "object" && value !== null ? value[name] : undefined), claims);
    return found === undefined ? claims[path] : found;
}

function person(r) {
    const found = /^bearer +[^.]+\.([^.]+)\./i.exec(r.headersIn.Authorization || "");
    if (found) {
        try {
            const claims = JSON.parse(Buffer.from(found[1], "base64url").toString());
            const path = JSON.parse(r.variables.talaria_claims)[claims.iss];
            const id = path && at(claims, path);
            if (typeof id === "string") return claims.iss + " " + id;
        } catch (e) {}
    }
    return r.variables.request_id;
}

export default { person };
