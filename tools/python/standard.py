"""The standard library that inline Python can import: only what is imported when the component is built is in it."""

import importlib.abc
import sys

# What modules import only when they are used.
import _strptime
import abc
import argparse
import array
import ast
import asyncio
import base64
import binascii
import bisect
import calendar
import cmath
import codecs
import collections.abc
import colorsys
import concurrent.futures
import configparser
import contextlib
import contextvars
import copy
import copyreg
import csv
import dataclasses
import datetime
import decimal
import difflib
import dis
import email.message
import email.mime.multipart
import email.mime.text
import email.policy
import email.utils
import encodings.ascii
import encodings.cp1252
import encodings.hex_codec
import encodings.idna
import encodings.latin_1
import encodings.unicode_escape
import encodings.utf_16
import encodings.utf_32
import encodings.utf_8_sig
import enum
import errno
import fnmatch
import fractions
import functools
import gettext
import glob
import graphlib
import gzip
import hashlib
import heapq
import hmac
import html.entities
import html.parser
import http.client
import http.cookiejar
import http.cookies
import importlib.resources
import inspect
import io
import ipaddress
import itertools
import json
import json.tool
import keyword
import linecache
import locale
import logging
import math
import mimetypes
import numbers
import operator
import optparse
import os.path
import pathlib
import pickle
import platform
import plistlib
import pprint
import queue
import quopri
import random
import re
import reprlib
import sched
import secrets
import shlex
import shutil
import signal
import socket
import stat
import statistics
import string
import string.templatelib
import struct
import tarfile
import tempfile
import textwrap
import threading
import time
import timeit
import token
import tokenize
import tomllib
import traceback
import types
import typing
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import urllib.robotparser
import uuid
import warnings
import wave
import weakref
import xml.dom.minidom
import xml.etree.ElementTree
import xml.sax.saxutils
import zipfile
import zlib
import zoneinfo

#: What there is, by the names that people import.
MODULES = sorted(name for name in sys.stdlib_module_names & sys.modules.keys() if not name.startswith("_"))


class NothingElse(importlib.abc.MetaPathFinder):
    """Comes last, and says what there is instead of what there is not."""

    def find_spec(self, fullname, path=None, target=None):
        raise ModuleNotFoundError(
            f"there is no module `{fullname}` here: inline Python has the standard library's {', '.join(MODULES)}; "
            "HTTP is `urllib.request`",
            name=fullname,
        )


def seal():
    """From now on nothing else is imported: there are no files at run time, and nobody need look for them."""
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if "Path" not in getattr(finder, "__name__", "")]
    sys.meta_path.append(NothingElse())
