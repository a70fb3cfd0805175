"""Single requests to an S3 service, as whoever has the credentials can make them. AWS Signature Version 4."""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def ok(self):
        return 200 <= self.status < 300

    def code(self):
        """Of an error."""
        try:
            return xml.etree.ElementTree.fromstring(self.body).findtext('Code')
        except xml.etree.ElementTree.ParseError:
            return None


def authorization(method, path, query, headers, access_key, secret_key, region):
    """The value of the header Authorization. `path` and `query` are encoded, the query sorted; all of `headers` are signed,
    names in small letters, x-amz-date and x-amz-content-sha256 among them."""
    day = headers['x-amz-date'][:8]
    names = ';'.join(sorted(headers))
    canonical = '\n'.join([method, path, query, ''.join('%s:%s\n' % (n, headers[n]) for n in sorted(headers)), names,
                           headers['x-amz-content-sha256']])
    scope = '%s/%s/s3/aws4_request' % (day, region)
    text = '\n'.join(['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    secret = ('AWS4' + secret_key).encode()
    for part in (day, region, 's3', 'aws4_request'):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    return 'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s' % (access_key, scope, names, signature)


class S3Requester:
    def __init__(self, port, access_key, secret_key, region='us-east-1'):
        self.port, self.access_key, self.secret_key, self.region = port, access_key, secret_key, region

    def __call__(self, method, bucket, key='', query=None, headers=None, body=b''):
        time = datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
        path = '/' + urllib.parse.quote(bucket + ('/' + key if key else ''), safe='/-_.~')
        encoded = '&'.join(sorted('%s=%s' % (urllib.parse.quote(n, safe='-_.~'), urllib.parse.quote(v, safe='-_.~'))
                                  for n, v in (query or {}).items()))
        host = '127.0.0.1:%d' % self.port
        payload = hashlib.sha256(body).hexdigest()
        signed = {**{n.lower(): v for n, v in (headers or {}).items()}, 'host': host, 'x-amz-date': time,
                  'x-amz-content-sha256': payload}
        signed['Authorization'] = authorization(method, path, encoded, signed, self.access_key, self.secret_key, self.region)
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        try:
            connection.request(method, path + ('?' + encoded if encoded else ''), body, signed)
            return Answer(connection.getresponse())
        finally:
            connection.close()
