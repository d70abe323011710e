"""The standard library that inline Python can import: only what is imported when the component is built is in it."""

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
import contextlib
import contextvars
import copy
import csv
import dataclasses
import datetime
import decimal
import difflib
import email.message
import enum
import errno
import fnmatch
import fractions
import functools
import gzip
import hashlib
import heapq
import hmac
import html.parser
import http.client
import http.cookies
import inspect
import io
import ipaddress
import itertools
import json
import keyword
import locale
import logging
import math
import numbers
import operator
import os.path
import pathlib
import pprint
import queue
import random
import re
import secrets
import shlex
import statistics
import string
import struct
import sys
import tempfile
import textwrap
import threading
import time
import traceback
import types
import typing
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import uuid
import warnings
import weakref
import xml.dom.minidom
import xml.etree.ElementTree
import zlib
import zoneinfo

#: Their names, without those parts of the interpreter that nobody imports by name.
MODULES = sorted(
    name for name, value in dict(globals()).items() if isinstance(value, types.ModuleType) and not name.startswith("_")
)


def listed():
    """What there is, for people."""
    return f"the standard library's {', '.join(MODULES)}; HTTP is `urllib.request`"
