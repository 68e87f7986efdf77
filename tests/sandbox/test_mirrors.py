"""What honest tests do with a solution that lives in another process: all of it works as in one.

Objects of the solution's classes, its exceptions and iterators stay there; values are copied; what a test hands
over to be called or changed is called and changed here.
"""

import pytest

from synth_stack.sandbox.room import Room

CASES = {
    "mutate arg": (
        "def f(x): x.sort(); return x",
        """
a=[3,1,2]
b=f(a)
assert a==[1,2,3]
assert b is a
""",
    ),
    "nested mutate": (
        "def f(d): d['a'].append(1); d['b']={'z':d['a']}",
        """
d={'a':[]}
a=d['a']
f(d)
assert a==[1]
assert d=={'a':[1],'b':{'z':[1]}}
assert d['b']['z'] is a
""",
    ),
    "class": (
        """
class Stack:
    MAX=3
    def __init__(self): self.items=[]
    def push(self,x): self.items.append(x)
    def __len__(self): return len(self.items)
    def __contains__(self,x): return x in self.items
    def __iter__(self): return iter(self.items)
    def __repr__(self): return f'Stack({self.items})'
    @classmethod
    def of(cls,*xs):
        s=cls()
        for x in xs: s.push(x)
        return s
    @property
    def top(self): return self.items[-1]
""",
        """
s=Stack()
s.push(1)
assert len(s)==1 and s.items==[1] and 1 in s
assert list(Stack.of(1,2))==[1,2]
assert repr(s)=='Stack([1])'
assert isinstance(s,Stack)
assert s.top==1
assert Stack.MAX==3
assert type(s) is Stack
assert s
assert not Stack()
assert hasattr(s,'push') and not hasattr(s,'nope')
s.items=[5]
assert s.top==5
""",
    ),
    "exception": (
        """
class BankError(ValueError):
    def __init__(self,m,code): super().__init__(m); self.code=code
def f(): raise BankError('no',7)
def g(): raise KeyError('k')
""",
        """
try:
    f()
    assert False
except BankError as e:
    assert e.code==7 and str(e)=='no'
try:
    f()
except ValueError as e:
    assert isinstance(e,BankError)
try: g()
except KeyError as e: assert e.args==('k',)
""",
    ),
    "callback": (
        """
def apply(f,xs): return [f(x) for x in xs]
def deco(f):
    def w(*a): return f(*a)+1
    return w
""",
        """
assert apply(lambda x:x*2,[1,2])==[2,4]
@deco
def h(x): return x
assert h(1)==2
assert apply(str,[1])==['1']
assert apply(len,['ab'])==[2]
""",
    ),
    "generator": (
        """
def g(n):
    for i in range(n): yield i
""",
        """
assert list(g(3))==[0,1,2]
x=g(1)
assert next(x)==0
try:
    next(x)
    assert False
except StopIteration: pass
assert next(x,None) is None
""",
    ),
    "iter arg": (
        "def s(it): return sum(it)",
        """
assert s(x for x in range(4))==6
assert s(iter([1]))==1
""",
    ),
    "test class": (
        "def depth(n): return 0 if n is None else 1+max(depth(n.left),depth(n.right))",
        """
class Node:
    def __init__(s,l=None,r=None): s.left=l; s.right=r
assert depth(Node(Node(),Node(Node())))==3
""",
    ),
    "stdout": (
        "def hi(): print('hello')",
        """
import io
from contextlib import redirect_stdout
b=io.StringIO()
with redirect_stdout(b): hi()
assert b.getvalue()=='hello\\n'
""",
    ),
    "input": (
        "def ask(): return int(input('? '))+1",
        """
from unittest.mock import patch
with patch('builtins.input', return_value='4'):
    assert ask()==5
""",
    ),
    "patch": (
        """
import time
def helper(): return 1
def f(): return helper()+1
""",
        """
from unittest.mock import patch
with patch('solution.helper', lambda: 9):
    assert f()==10
assert f()==2
with patch('solution.time.sleep'): assert f()==2
""",
    ),
    "enum": (
        """
import enum
class C(enum.Enum):
    R=1
    G=2
def f(): return C.R
""",
        """
assert f()==C.R and f() is C.R and f().value==1 and f().name=='R'
assert len(C)==2 and [c.name for c in C]==['R','G']
assert C(2)==C.G and C['G'] is C.G
assert {C.R:1}[f()]==1
""",
    ),
    "namedtuple": (
        """
from collections import namedtuple
P=namedtuple('P','x y')
def f(): return P(1,2)
""",
        "assert f()==(1,2) and f().x==1 and f()==P(1,2)",
    ),
    "dataclass": (
        """
from dataclasses import dataclass
@dataclass(order=True,frozen=True)
class P:
    x:int=0
    y:int=0
def f(p): return P(p.y,p.x)
""",
        """
assert f(P(1,2))==P(2,1)
assert P(1)<P(2)
assert sorted([P(2),P(1)])==[P(1),P(2)]
assert len({P(1),P(1)})==1
assert P(1)!=P(2)
""",
    ),
    "operators": (
        """
class V:
    def __init__(s,x): s.x=x
    def __add__(s,o): return V(s.x+o.x)
    def __mul__(s,k): return V(s.x*k)
    __rmul__=__mul__
    def __eq__(s,o): return isinstance(o,V) and s.x==o.x
    def __hash__(s): return hash(s.x)
""",
        """
assert V(1)+V(2)==V(3)
assert V(2)*3==V(6)
assert 3*V(2)==V(6)
assert V(1)!=5
""",
    ),
    "global": (
        """
inv={}
count=0
def add(k):
    global count
    inv[k]=1; count+=1
""",
        """
add('a')
assert inv=={'a':1}
assert 'a' in inv and len(inv)==1
inv.clear()
assert inv=={}
import solution
assert solution.count==1
""",
    ),
    "context": (
        """
class R:
    def __enter__(self): self.o=True; return self
    def __exit__(self,*a): self.o=False; return a[0] is ValueError
""",
        """
with R() as r:
    assert r.o
    raise ValueError
assert not r.o
""",
    ),
    "values": (
        """
from decimal import Decimal
from fractions import Fraction
import datetime
def idn(x): return x
""",
        """
import collections, datetime, decimal, uuid
from fractions import Fraction as F
for v in [1,2**100,-1.5,float('inf'),'a\\u00e9',b'x',None,True,(1,[2]),{1:2},{1,2},frozenset([1]),1j,range(3),slice(1,2),decimal.Decimal('1.10'),F(1,3),datetime.date(2020,1,1),datetime.datetime(2020,1,1,tzinfo=datetime.timezone.utc),datetime.timedelta(1,2),collections.Counter('aab'),collections.deque([1],maxlen=2),collections.OrderedDict(a=1),collections.defaultdict(list,{'a':[1]}),uuid.UUID(int=5),int,ValueError,...,bytearray(b'q')]:
    r=idn(v)
    assert type(r) is type(v) and r==v
""",
    ),
    "async": (
        """
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x+1
""",
        """
import asyncio
assert asyncio.run(f(1))==2
async def both(): return await asyncio.gather(f(1),f(2))
assert asyncio.run(both())==[2,3]
""",
    ),
    "sum named": (
        "def sum(a,b): return a+b",
        "assert sum(1,2)==3",
    ),
    "abc": (
        """
from abc import ABC, abstractmethod
class A(ABC):
    @abstractmethod
    def area(self): ...
class B(A):
    def area(self): return 4
""",
        """
assert issubclass(B,A) and isinstance(B(),A)
try:
    A()
    assert False
except TypeError: pass
assert B().area()==4
""",
    ),
    "copy": (
        """
class A:
    def __init__(self): self.x=[1]
""",
        """
import copy
a=A()
b=copy.deepcopy(a)
b.x=[2]
assert a.x==[1]
""",
    ),
    "file": (
        "def read(p): return open(p).read()",
        """
open('x.txt','w').write('hi')
assert read('x.txt')=='hi'
""",
    ),
    "seed": (
        """
import random
def f(): return random.random()
""",
        """
import random
random.seed(1)
a=f()
random.seed(1)
assert a==f()
""",
    ),
    "linked": (
        """
class N:
    def __init__(s,v,n=None): s.v=v; s.n=n
def rev(h):
    p=None
    while h: h.n,p,h=p,h,h.n
    return p
""",
        """
h=rev(N(1,N(2)))
assert h.v==2 and h.n.v==1 and h.n.n is None
""",
    ),
    "name": (
        """
def f():
    'doc here'
""",
        """
assert f.__name__=='f' and callable(f)
assert f.__doc__=='doc here'
""",
    ),
    "typing": (
        """
from typing import List
def f(x: List[int]) -> int: return x[0]
""",
        """
def t(a: List[int]): return f(a)
assert t([1])==1
""",
    ),
    "unittest": (
        "def f(x): return x+1",
        """
import unittest
class T(unittest.TestCase):
    def test_a(self): self.assertEqual(f(1),2)
def test_all():
    r=unittest.TestResult()
    T('test_a').run(r)
    assert r.wasSuccessful()
""",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_honest_tests_of_every_sort_pass(room: Room, case: str) -> None:
    outcome = room.run(*CASES[case])

    assert outcome.status == "passed", outcome
