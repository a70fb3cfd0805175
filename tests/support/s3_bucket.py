"""A bucket as the end-to-end tests fill and compare it: a small client that shares nothing with the program.

Signature Version 4, with Python's standard library only.
"""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree

SUB_RESOURCES = ('cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires')


def encode(text, safe=''):
    return urllib.parse.quote(text if isinstance(text, bytes) else text.encode(), safe=safe + '-._~')


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__('%d: %s' % (status, body[:300]))
        self.status = status


class Bucket:
    def __init__(self, port, name, access_key, secret_key, region='us-east-1'):
        self.port, self.name, self.access_key, self.secret_key, self.region = port, name, access_key, secret_key, region
        self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)

    def request(self, method, key='', query=(), headers=(), body=b''):
        """The answer's headers (names in small letters) and body; raises Refused."""
        path = '/' + self.name + ('/' + encode(key, '/') if key else '')
        parameters = '&'.join(sorted(encode(n) + '=' + encode(v) for n, v in dict(query).items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
        digest = hashlib.sha256(body).hexdigest()
        signed = {'host': '127.0.0.1:%d' % self.port, 'x-amz-date': now, 'x-amz-content-sha256': digest,
                  **{name.lower(): value for name, value in dict(headers).items()}}
        names = sorted(signed)
        lines = ''.join('%s:%s\n' % (name, signed[name].strip()) for name in names)
        canonical = '\n'.join((method, path, parameters, lines, ';'.join(names), digest))
        scope = '/'.join((now[:8], self.region, 's3', 'aws4_request'))
        text = '\n'.join(('AWS4-HMAC-SHA256', now, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        secret = ('AWS4' + self.secret_key).encode()
        for part in scope.split('/'):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        signed['Authorization'] = 'AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s' % (
            self.access_key, scope, ';'.join(names), signature)
        self.connection.request(method, path + ('?' + parameters if parameters else ''), body, signed)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise Refused(answer.status, data)
        return {name.lower(): value for name, value in answer.getheaders()}, data

    def make(self, versions=False):
        self.request('PUT')
        if versions:
            self.request('PUT', query={'versioning': ''}, body=b'<VersioningConfiguration><Status>Enabled</Status>'
                                                               b'</VersioningConfiguration>')
        return self

    def put(self, key, body=b'', **headers):
        """Headers are keyword arguments with '_' for '-'."""
        self.request('PUT', key, headers={name.replace('_', '-'): value for name, value in headers.items()}, body=body)

    def put_parts(self, key, parts, **headers):
        _, answer = self.request('POST', key, {'uploads': ''},
                                 {name.replace('_', '-'): value for name, value in headers.items()})
        upload = xml.etree.ElementTree.fromstring(answer).findtext('{*}UploadId')
        listed = ''
        for number, part in enumerate(parts, 1):
            told, _ = self.request('PUT', key, {'uploadId': upload, 'partNumber': str(number)}, body=part)
            listed += '<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>' % (number, told['etag'])
        self.request('POST', key, {'uploadId': upload},
                     body=('<CompleteMultipartUpload>%s</CompleteMultipartUpload>' % listed).encode())

    def tag(self, key, **tags):
        listed = ''.join('<Tag><Key>%s</Key><Value>%s</Value></Tag>' % pair for pair in tags.items())
        self.request('PUT', key, {'tagging': ''}, body=('<Tagging><TagSet>%s</TagSet></Tagging>' % listed).encode())

    def get(self, key, version=None):
        return self.request('GET', key, {'versionId': version} if version else {})

    def delete(self, key):
        self.request('DELETE', key)

    def pages(self, query):
        """The children of each page of a listing; they have keys as they are stored."""
        marker = {}
        while True:
            _, body = self.request('GET', query={**query, **marker, 'encoding-type': 'url'})
            root = xml.etree.ElementTree.fromstring(body)
            yield from root
            if root.findtext('{*}IsTruncated') != 'true':
                return
            if 'versions' in query:
                # Ceph's gateway encodes keys, and not the marker.
                told, last = root.findtext('{*}NextKeyMarker'), [one.findtext('{*}Key') for one in root if one.findtext('{*}Key')][-1]
                is_plain = told == urllib.parse.unquote_plus(last)
                marker = {'key-marker': told if is_plain else urllib.parse.unquote_plus(told),
                          'version-id-marker': root.findtext('{*}NextVersionIdMarker')}
            else:
                marker = {'continuation-token': root.findtext('{*}NextContinuationToken')}

    def keys(self, prefix=''):
        return [urllib.parse.unquote_plus(one.findtext('{*}Key')) for one in self.pages({'list-type': '2', 'prefix': prefix})
                if one.tag.endswith('}Contents')]

    def versions(self):
        """(key, content or None for a mark of deletion), of each key the oldest first."""
        found = []
        for one in self.pages({'versions': ''}):
            key, version = one.findtext('{*}Key'), one.findtext('{*}VersionId')
            if one.tag.endswith('}Version'):
                key = urllib.parse.unquote_plus(key)
                found.append((key, self.get(key, version)[1]))
            elif one.tag.endswith('}DeleteMarker'):
                found.append((urllib.parse.unquote_plus(key), None))
        return sorted(reversed(found), key=lambda one: one[0].encode('utf-8', 'surrogatepass'))

    def describe(self, key):
        """Content, and what belongs to it, of one object."""
        headers, body = self.get(key)
        kept = {name: value for name, value in headers.items()
                if name in SUB_RESOURCES or name.startswith('x-amz-meta-')}
        _, tags = self.request('GET', key, {'tagging': ''})
        # The gateway answers nothing for an object of parts that was given none.
        found = sorted((tag.findtext('{*}Key'), tag.findtext('{*}Value'))
                       for tag in xml.etree.ElementTree.fromstring(tags or b'<none/>').iter() if tag.tag.endswith('}Tag'))
        return hashlib.sha256(body).hexdigest(), len(body), kept, found

    def everything(self, prefix=''):
        return {key[len(prefix):]: self.describe(key) for key in self.keys(prefix)}
