"""libopendkim, as far as signing needs it: its own tool signs with rsa-sha1 only."""
import ctypes
import unittest

LIBRARY = "libopendkim.so.11"
SIGN_RSASHA256, SIMPLE, RELAXED, OK = 1, 0, 1, 0


def load():
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise unittest.SkipTest(f"libopendkim is not installed (opendkim-tools): {error}")
    library.dkim_init.restype = library.dkim_sign.restype = ctypes.c_void_p
    library.dkim_init.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.dkim_sign.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p,
                                  ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int,
                                  ctypes.c_int, ctypes.c_int, ctypes.c_ssize_t, ctypes.c_void_p]
    library.dkim_header.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.dkim_body.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.dkim_eoh.argtypes = library.dkim_free.argtypes = [ctypes.c_void_p]
    library.dkim_close.argtypes = [ctypes.c_void_p]
    library.dkim_eom.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.dkim_getsighdr.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t,
                                       ctypes.c_size_t]
    return library


def fields_of(header):
    fields = []
    for line in header.split(b"\r\n")[:-1]:
        if line[:1] in (b" ", b"\t"):
            fields[-1] += b"\r\n" + line
        else:
            fields.append(line)
    return fields


def sign(header, body, key, selector, domain, form):
    """The signature field, CRLF at its end."""
    library = load()

    def must(status):
        if status != OK:
            raise AssertionError(f"libopendkim: status {status}")

    forms = [RELAXED if word == "relaxed" else SIMPLE for word in form.split("/")]
    handle = library.dkim_init(None, None)
    status = ctypes.c_int()
    signer = library.dkim_sign(handle, b"1", None, key, selector.encode(), domain.encode(),
                               forms[0], forms[1], SIGN_RSASHA256, -1, ctypes.byref(status))
    must(status.value)
    for field in fields_of(header):
        must(library.dkim_header(signer, field, len(field)))
    must(library.dkim_eoh(signer))
    if body:
        must(library.dkim_body(signer, body, len(body)))
    must(library.dkim_eom(signer, None))
    value = ctypes.create_string_buffer(8192)
    must(library.dkim_getsighdr(signer, value, len(value), len("DKIM-Signature: ")))
    library.dkim_free(signer)
    library.dkim_close(handle)
    text = value.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"DKIM-Signature: " + text.rstrip(b"\r\n") + b"\r\n"
